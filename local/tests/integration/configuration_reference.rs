//! `docs/configuration.md` is what the configuration structs and their defaults say.
//!
//! `./task docs` writes it anew, by `UPDATE_DOCS=1`.

use std::fs;
use std::path::Path;

use local::config::Command;
use schemars::JsonSchema;
use service::config::{ConfigError, HttpConfig, LogConfig, Reference};

const FILE: &str = "docs/configuration.md";

/// The sections of the program `simulator`, which keeps its own struct to itself.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Simulator {
    http: HttpConfig,
    log: LogConfig,
    simulator: simulator::Config,
}

fn reference() -> Result<String, ConfigError> {
    let services = Reference::new()
        .add::<producer::Config>("producer", &[producer::DEFAULTS])?
        .add::<consumer::Config>("consumer", consumer::config::DEFAULTS)?
        .add::<transformer::Config>(
            "transformer",
            &[lake::config::DEFAULTS, transformer::config::DEFAULTS],
        )?
        .add::<Simulator>("simulator", &[simulator::DEFAULTS])?
        .add::<dashboards::Config>("metabase-dashboards", &[dashboards::DEFAULTS])?;
    let commands = [
        ("contrail demo", Command::Demo),
        ("contrail run", Command::Run),
        ("contrail replay", Command::Replay),
    ];
    let all = commands
        .into_iter()
        .try_fold(services, |reference, (name, command)| {
            let mut defaults = consumer::config::DEFAULTS.to_vec();
            defaults.extend([
                producer::DEFAULTS,
                transformer::config::DEFAULTS,
                simulator::DEFAULTS,
                local::config::DEFAULTS,
                command.defaults(),
            ]);
            reference.add::<local::Config>(name, &defaults)
        })?;
    Ok(all.markdown())
}

#[test]
fn the_configuration_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FILE);
    let wanted = reference().unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differing = found
        .lines()
        .map(Some)
        .chain(std::iter::repeat(None))
        .zip(wanted.lines())
        .find(|(found, wanted)| *found != Some(*wanted));
    assert!(
        found == wanted,
        "{FILE} is not what the code says; run ./task docs. The first difference: {differing:?}"
    );
}
