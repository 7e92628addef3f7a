"""Chunks and questions as an index meets them, made by the hundred thousand in seconds; the same in every run.

Vectors: mixtures of a few real embeddings of generated sentences, and noise. Two chunks have a median cosine of 0.3,
nearest neighbours 0.8, a question and its best chunk 0.7: a little denser than the abstracts of one field of research.
Words: by Zipf's law, flat at its head as it is where words that say nothing are left out, and some of a topic's own.
"""

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from assistant.knowledge.lexical import analyse
from assistant.llm.bundled import MiniLM
from assistant.llm.embeddings import FloatArray

IntArray = npt.NDArray[np.int32]

TOPICS: Final = 200
SENTENCES: Final = 5
"""Of each topic; each is embedded for real."""

OWN_WORDS: Final = 15
"""Of each topic, drawn like all others."""

CHUNKS_OF_A_DOCUMENT: Final = 20
TOKENS: Final = 75
"""What is left of a chunk's 150 words without those that say nothing."""

HEADS = (
    "aero agri anti astro audio auto bio cardio chrono counter cryo cyber eco electro equi geo helio hydro hyper infra "
)
HEADS += (
    "inter litho macro magneto mega meta micro mono multi neuro omni ortho para peri photo poly proto pseudo re semi "
)
HEADS += "sub super tele thermo trans tri ultra under uni vaso"
STEMS = (
    "act bar card cel chrom col cor crat cur dem derm dict duct fer flex form fract gen grad graph gram lith loc log "
)
STEMS += (
    "mand mem met mit mod morph mot mount nav nom norm orbit part path pel phon plan plast pol port press prim pulse "
)
STEMS += (
    "quant rad rect rupt scop sect sens sign spect spher spir stat struct tact tect temp ten term thes tort tract tric "
)
STEMS += "tron trop tur vac val vect vent vert vis viv vol volt"
TAILS = "ary ence er ian ing ism ist ity ment ology or ure"

FRAMES: Final = (
    "How does the {} of a {} change with the {} and its {}?",
    "Why is a {} without {} worse than the {} of another {}?",
    "What did they find out about {} and {} when the {} met a {}?",
    "Which {} is needed before the {} can be used as a {} or {}?",
    "Where do we see that {} depends on {} more than on {} or on {}?",
)


@dataclass(frozen=True, slots=True)
class Chunks:
    """Rows of `vectors`, and how often which word stands in which of them: sorted by word, then by chunk."""

    vectors: FloatArray
    chunk: IntArray
    word: IntArray
    count: IntArray


class World:
    """Topics and their words. Reproducible: what is drawn depends on the order of the calls alone."""

    def __init__(self, embedder: MiniLM) -> None:
        self._random = np.random.default_rng(20261124)
        self._embedder = embedder
        words = ["".join(parts) for parts in product(HEADS.split(), STEMS.split(), TAILS.split())]
        self._random.shuffle(words)
        stems: dict[str, str] = {}
        for word in words:
            stems.setdefault(next(iter(analyse((word,), "en").counts)), word)
        self.lexemes = list(stems)
        self._words = list(stems.values())
        share = 1 / (np.arange(len(stems)) + 12.0)
        self._share = share / share.sum()
        self._own = np.array([self._draw(OWN_WORDS) for _ in range(TOPICS)])
        self._sentences = np.array(
            [[embedder.encode(self._sentence(topic)) for _ in range(SENTENCES)] for topic in range(TOPICS)], np.float32
        )

    def chunks(self, count: int, topics: int) -> Chunks:
        """Of documents on some of the topics."""
        documents = -(-count // CHUNKS_OF_A_DOCUMENT)
        chosen = self._random.choice(TOPICS, topics, replace=False)
        topic = np.repeat(self._random.choice(chosen, documents), CHUNKS_OF_A_DOCUMENT)[:count]
        return Chunks(self._vectors(topic), *self._postings(topic))

    def question(self, topic: int | None = None) -> str:
        """Of words that stand together in some chunks."""
        return self._sentence(int(self._random.integers(TOPICS)) if topic is None else topic)

    def _vectors(self, topic: IntArray) -> FloatArray:
        count, random = len(topic), self._random
        mixed = random.uniform(0.4, 1, (count, 1)) * self._sentences[topic, random.integers(SENTENCES, size=count)]
        mixed += random.uniform(0, 0.6, (count, 1)) * self._sentences[topic, random.integers(SENTENCES, size=count)]
        other = random.integers(TOPICS, size=count)
        mixed += random.uniform(0, 0.5, (count, 1)) * self._sentences[other, random.integers(SENTENCES, size=count)]
        mixed += 0.55 * random.standard_normal(mixed.shape) / np.sqrt(mixed.shape[1])
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        return mixed.astype(np.float32)

    def _postings(self, topic: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        general = self._draw((len(topic), TOKENS - OWN_WORDS))
        own = self._own[topic[:, None], self._random.integers(OWN_WORDS, size=(len(topic), OWN_WORDS))]
        words = np.concatenate([general, own], axis=1)
        pairs = words * np.int64(len(topic)) + np.arange(len(topic))[:, None]
        unique, counts = np.unique(pairs, return_counts=True)
        word, chunk = np.divmod(unique, len(topic))
        return chunk.astype(np.int32), word.astype(np.int32), counts.astype(np.int32)

    def _draw(self, size: int | tuple[int, ...]) -> npt.NDArray[np.int64]:
        return self._random.choice(len(self._words), size, p=self._share)

    def _sentence(self, topic: int) -> str:
        chosen = [*self._random.choice(self._own[topic], 3, replace=False), self._draw(1)[0]]
        frame = FRAMES[int(self._random.integers(len(FRAMES)))]
        return frame.format(*(self._words[word] for word in chosen))
