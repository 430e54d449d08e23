# Two stages: the first builds wheels, the second has nothing but Python, those wheels and a user without rights. Twisted's
# list of plugins is made there and then: later nobody may write it.
FROM python:3.12-slim AS build
WORKDIR /src
COPY setup.py setup.cfg pyproject.toml README.md ./
COPY clustergateway ./clustergateway
COPY twisted ./twisted
RUN python -m pip wheel --no-cache-dir --wheel-dir /wheels .

FROM python:3.12-slim
COPY --from=build /wheels /wheels
RUN python -m venv /opt/cluster-gateway \
    && /opt/cluster-gateway/bin/python -m pip install --no-cache-dir --no-index --find-links /wheels cluster-gateway \
    && /opt/cluster-gateway/bin/python -c "from twisted import plugin, plugins; plugin.getCache(plugins)" \
    && rm -rf /wheels \
    && useradd --uid 65532 --no-create-home --shell /usr/sbin/nologin gateway \
    && install -d -o 65532 -g 65532 /var/lib/cluster-gateway
ENV PATH=/opt/cluster-gateway/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /var/lib/cluster-gateway
USER 65532:65532
EXPOSE 9443
ENTRYPOINT ["twistd", "--nodaemon", "--pidfile=", "cluster-gateway"]
