# Server of the search page: docker build -t fashion-keras . ; see docs/exports.md
FROM python:3.12-slim

RUN useradd --create-home --uid 1000 fashion && mkdir /cache /indexes && chown fashion /cache /indexes
WORKDIR /app
COPY requirements-lock.txt ./
# The very files that the hashes name; what ".[web,postgres,imagenet]" needs, see the head of the file.
RUN pip install --no-cache-dir --require-hashes -r requirements-lock.txt
COPY pyproject.toml requirements.txt README.md LICENSE ./
COPY fashion_keras fashion_keras
RUN pip install --no-cache-dir --no-deps --no-build-isolation ".[web,postgres,imagenet]" && pip check

USER fashion
ENV FASHION_KERAS_CACHE=/cache TF_CPP_MIN_LOG_LEVEL=2 PYTHONUNBUFFERED=1
VOLUME ["/cache", "/indexes"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["fashion-keras"]
CMD ["--help"]
