"""fastnn beside its peers: ``python -m bench``; see bench/README.md."""
