//! What to look at when there is no connection to Kafka, by what its client library says.

use super::KafkaConfig;

impl KafkaConfig {
    /// The remedy for a connection that failed for `reason`, in librdkafka's words.
    pub fn remedy(reason: &str) -> &'static str {
        // What a broker that speaks TLS is called by a client that does not, and the reverse.
        const OTHER_PROTOCOL: [&str; 3] = [
            "security.protocol",
            "PLAINTEXT broker listener",
            "wrong version number",
        ];
        let says = |text: &str| reason.contains(text);
        if says("certificate verify failed") || says("certificate could not be verified") {
            "check kafka.ssl_ca_location, and that the broker's certificate is for the name in kafka.brokers"
        } else if OTHER_PROTOCOL.iter().any(|text| says(text)) {
            "check kafka.security_protocol, and the port in kafka.brokers"
        } else {
            "check kafka.brokers and that the broker runs"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_follows_from_what_the_library_says() {
        for (reason, remedy) in [
            (
                "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified, verify that ssl.ca.location is correctly configured",
                "kafka.ssl_ca_location",
            ),
            (
                "Disconnected while requesting ApiVersion: might be caused by incorrect security.protocol configuration (connecting to a SSL listener?)",
                "kafka.security_protocol",
            ),
            (
                "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?",
                "kafka.security_protocol",
            ),
            (
                "Connect to ipv4#127.0.0.1:9 failed: Connection refused",
                "that the broker runs",
            ),
        ] {
            assert!(KafkaConfig::remedy(reason).contains(remedy), "{reason}");
        }
    }
}
