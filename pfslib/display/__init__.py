"""What people look at: tables and graphs, as HTML, SVG and text. Knows nothing of stores."""
