"""What a run leaves behind: its folder, its records and its dashboards."""
