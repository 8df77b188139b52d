"""Where VMs are read from: a vCenter, or a file that RVTools or govc wrote."""
