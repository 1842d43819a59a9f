"""From one Config to what each part of the server is told, and what of it this machine can not do."""
