"""Views of a run in dashboards: one file each, none of which a run depends on."""
