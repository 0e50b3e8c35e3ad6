"""The paper's tables and figures, each computed anew and set beside the paper's values."""
