"""The model in the browser: a folder for any static host, that labels on the device alone."""
