"""The mesh head and the Gaussian head: their networks, and the two optimisations that make them."""
