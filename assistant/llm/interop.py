"""The bundled embedder as one of LangChain's. Apart from the embedder itself, since LangChain takes 35 MB."""

from langchain_core.embeddings import Embeddings

from assistant.llm.bundled import MiniLM


class BundledEmbeddings(MiniLM, Embeddings):
    """`MiniLM` for any LangChain store or chain: the same vectors, as lists."""

    def embed_query(self, text: str) -> list[float]:
        vector: list[float] = self.encode(text).tolist()
        return vector

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [row.tolist() for row in self._passage_threads.map(self.encode, texts)]

    async def aembed_query(self, text: str) -> list[float]:
        vector: list[float] = (await self.encode_query(text)).tolist()
        return vector

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = (await self.encode_passages(texts)).tolist()
        return vectors
