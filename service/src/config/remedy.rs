//! Why there is no connection to Kafka, and what to look at, by what its client library says.

use super::KafkaConfig;

/// What is added to a connection that was closed at the first question.
const WANTS_TLS: &str = ": is this a listener for TLS?";

impl KafkaConfig {
    /// The facility of librdkafka's log under which it says why a connection failed. It says so
    /// there first: the error that an application is sent comes behind all that was logged.
    pub const FAILED: &str = "FAIL";

    /// Takes note of what librdkafka said of a connection, in its log or as an error, without what
    /// is about its own threads, states and counts. Of what it tries in turn (each address of a
    /// name, for one) some says no more than that nobody is there: that does not replace more.
    pub fn note_failure(noted: &mut Option<String>, said: &str) {
        let said = match said.split_once("]: ") {
            Some((thread, rest)) if thread.starts_with("[thrd:") => rest,
            _ => said,
        };
        let (reason, state) = said.split_once(" (after ").unwrap_or((said, ""));
        let mut reason = reason.to_owned();
        // The first thing that is asked of a broker, which a listener for TLS does not understand.
        if reason.contains("Disconnected") && state.contains("APIVERSION_QUERY") {
            reason.push_str(WANTS_TLS);
        }
        let tells = |reason: &str| Self::known_remedy(reason).is_some();
        if tells(&reason) || !noted.as_deref().is_some_and(tells) {
            *noted = Some(reason);
        }
    }

    /// The remedy for a connection that failed for `reason`, in librdkafka's words.
    pub fn remedy(reason: &str) -> &'static str {
        Self::known_remedy(reason).unwrap_or("check kafka.brokers and that the broker runs")
    }

    fn known_remedy(reason: &str) -> Option<&'static str> {
        // What a broker that speaks TLS is called by a client that does not, and the reverse.
        const OTHER_PROTOCOL: [&str; 4] = [
            WANTS_TLS,
            "security.protocol",
            "PLAINTEXT broker listener",
            "wrong version number",
        ];
        let says = |text: &str| reason.contains(text);
        if says("certificate verify failed") || says("certificate could not be verified") {
            Some(
                "check kafka.ssl_ca_location, and that the broker's certificate is for the name in kafka.brokers",
            )
        } else if OTHER_PROTOCOL.iter().any(|text| says(text)) {
            Some("check kafka.security_protocol, and the port in kafka.brokers")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_more_is_kept() {
        let mut noted = None;
        let mut check = |said: &str, expected: &str| {
            KafkaConfig::note_failure(&mut noted, said);
            assert_eq!(noted.as_deref(), Some(expected));
        };
        let refused =
            "ssl://localhost:1/bootstrap: Connect to ipv6#[::1]:1 failed: Connection refused";
        check(&format!("{refused} (after 0ms in state CONNECT)"), refused);
        let untrusted = "ssl://localhost:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed";
        let logged = format!(
            "[thrd:ssl://localhost:1/bootstrap]: {untrusted} (after 9ms in state SSL_HANDSHAKE)"
        );
        check(&logged, untrusted);
        check(refused, untrusted);
        let closed = "localhost:1/bootstrap: Disconnected: connection closed by peer";
        check(
            &format!("{closed} (after 10ms in state APIVERSION_QUERY)"),
            &format!("{closed}: is this a listener for TLS?"),
        );
    }

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
