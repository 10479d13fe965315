# The environment of the lock file, and the study in it: `docker build -t unet-dic-hela .`
FROM python:3.11-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home study \
    && install --directory --owner=study /study
USER study
WORKDIR /study
COPY --chown=study . .
# The same rule, with the same hashes, as outside a container.
RUN make .venv/.requirements.lock.ready
CMD ["make", "reproduce"]
