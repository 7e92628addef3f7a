"""Documents: extraction, chunking, embedding, retrieval."""
