"""Looking a dataset over with the help of networks: doubtful labels, pictures that went wrong, copies."""
