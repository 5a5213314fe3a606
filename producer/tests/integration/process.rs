//! The program: what it says, and how it ends, when it cannot start.
use std::net::TcpListener;
use std::process::Command;

/// Runs the producer with these `--set`s; gives its exit code and the line that says why.
fn run(pairs: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_producer"));
    for pair in pairs {
        command.args(["--set", pair]);
    }
    let output = command.args(["--set", "http.listen="]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let errors: Vec<_> = said.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    (output.status.code().unwrap(), errors[0].to_owned())
}

#[test]
fn a_mistake_in_the_configuration_is_exit_code_2() {
    let check = |pair: &str, expected: &str| {
        let (code, said) = run(&[pair]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(expected), "{said}");
    };
    check(
        "producer.intervall=5s",
        "did you mean \"producer.interval\"",
    );
    check("producer.interval=5", "producer.interval");
    check(
        "producer.opensky.client_id=me",
        "producer.opensky.client_secret",
    );
    check(
        "producer.opensky.bounding_box=1,2",
        "producer.opensky.bounding_box",
    );
    check("kafka.properties.no.such=1", "no.such");
    check("registry.url=nowhere", "registry.url");
}

#[test]
fn a_broker_that_is_not_there_is_exit_code_1() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let brokers = format!("kafka.brokers={free}");
    let (code, said) = run(&[&brokers, "producer.connect_timeout=1s"]);
    assert_eq!(code, 1);
    assert_eq!(
        said,
        format!(
            "error: cannot reach Kafka at {free} within 1 s: {free}/bootstrap: Connect to \
             ipv4#{free} failed: Connection refused; check kafka.brokers and that the broker runs"
        )
    );
}

#[test]
fn the_configuration_is_printed_without_secrets() {
    let output = Command::new(env!("CARGO_BIN_EXE_producer"))
        .args(["--print-config", "--set", "producer.opensky.client_id=me"])
        .args(["--set", "producer.opensky.client_secret=hunter2"])
        .args(["--set", "kafka.sasl_password=hunter2"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(printed.contains("client_id = \"me\""), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
}
