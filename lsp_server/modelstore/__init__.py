"""Model folders: finding, checking, describing and pulling them."""
