"""The service: a store and a cluster over HTTP. Every route parses, makes one public call, and shows what it gave."""
