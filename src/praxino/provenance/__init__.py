"""What a machine made says so: a mark in the pixels, signed credentials in the file, and the reading of both."""
