"""3D Tiles (OGC 22-025r4)."""
