"""AWS as this function needs it: clients, calls sorted by what is known of their effect, and retries."""
