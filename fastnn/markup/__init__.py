"""Markup: elements of HTML and SVG, escaped, and what notebooks show of objects."""
