# One image; its argument says what it does: `serve` (default), `worker`, `db upgrade`, or any other command.
#
#     docker build -t goalspace-assistant .
#     docker run --read-only --tmpfs /tmp -v goalspace:/data -p 8000:8000 goalspace-assistant
#
# The tag moves with security fixes of Python and Debian. To fix it to one image, look up its digest with
# `docker buildx imagetools inspect python:3.11-slim-trixie` and append it to both FROM lines: `…-trixie@sha256:…`.

FROM python:3.11-slim-trixie AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /build

# What changes least comes first: dependencies, then the embedder, then the code.
COPY requirements requirements
RUN python -m venv /opt/build \
    && /opt/build/bin/python -m pip install --require-hashes --only-binary :all: -r requirements/build.txt
RUN python -m venv --without-pip /opt/goalspace \
    && /opt/build/bin/python -m pip --python /opt/goalspace/bin/python install \
        --require-hashes --only-binary :all: -r requirements/runtime.txt

COPY build_hooks build_hooks
RUN /opt/build/bin/python build_hooks/build_embedder.py

COPY . .
RUN /opt/build/bin/python -m pip wheel --no-build-isolation --no-deps --wheel-dir dist . \
    && /opt/build/bin/python -m pip --python /opt/goalspace/bin/python install --no-deps --no-index dist/*.whl


FROM python:3.11-slim-trixie

# PostgreSQL, where the embedded one is used, wants an account with a name.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin goalspace \
    && install -d -o goalspace -g goalspace -m 0700 /data

COPY --from=build /opt/goalspace /opt/goalspace

ENV PATH=/opt/goalspace/bin:$PATH PYTHONUNBUFFERED=1 GOALSPACE_DATA_DIR=/data
WORKDIR /data
VOLUME ["/data"]
USER 10001:10001
EXPOSE 8000

HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8000, timeout=4); c.request('GET', '/health/ready'); raise SystemExit(c.getresponse().status != 200)"]

ENTRYPOINT ["goalspace"]
CMD ["serve", "--host", "0.0.0.0"]
