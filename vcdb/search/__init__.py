"""From a query picture to an answer, given a store."""
