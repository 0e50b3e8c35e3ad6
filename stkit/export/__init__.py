"""What leaves the kit: point clouds and meshes that other tools open."""
