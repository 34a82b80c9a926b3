"""One file for each public data set and each format of annotation tools."""
