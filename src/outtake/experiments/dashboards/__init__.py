"""Views of a run in other people's programs: one file each, none of which a run depends on."""
