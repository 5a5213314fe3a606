#!/bin/sh
# Starts a node; the first time it formats the node's data. Needs of the image only a Java and the
# jars of Kafka in /opt/kafka/libs, and writes to /tmp and the data only.
set -eu
node=${POD_NAME##*-}
sed "s/@NODE@/$node/g" /etc/kafka-node/server.properties >/tmp/server.properties
if [ -e /etc/kafka-tls/tls.key ]; then
    (umask 077 && cat /etc/kafka-tls/tls.key /etc/kafka-tls/tls.crt >/tmp/keystore.pem)
fi

if [ ! -e /var/lib/kafka/data/log/meta.properties ]; then
    set -- format --cluster-id "$CLUSTER_ID" --config /tmp/server.properties
    if [ -n "${SASL_USERNAME:-}" ]; then
        set -- "$@" --add-scram "SCRAM-SHA-512=[name=$SASL_USERNAME,password=$SASL_PASSWORD]"
    fi
    java -cp '/opt/kafka/libs/*' -XX:TieredStopAtLevel=1 -Xmx128m kafka.tools.StorageTool "$@"
fi

# JAVA_OPTIONS are several words.
# shellcheck disable=SC2086
exec java "-Xms$HEAP" "-Xmx$HEAP" $JAVA_OPTIONS -Djava.awt.headless=true -Dlog4j2.level=INFO \
    -cp '/opt/kafka/libs/*' kafka.Kafka /tmp/server.properties
