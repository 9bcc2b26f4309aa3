"""A run as a page while it goes on: what is known of it, told to whoever looks, on this machine."""
