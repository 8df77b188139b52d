"""The EVS API: rows, statuses, calls, and looks at the whole list."""
