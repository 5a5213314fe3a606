//! Asking a service that runs whether it is ready, as `--ready` does: the health check of a
//! container whose image has no program but the service's own.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::fault::{Fault, Faulty};

/// How long each step may take: connecting, asking, and the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a service is not ready, as far as can be told from outside.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// It listens nowhere that is known.
    #[error("http.listen is \"{listen}\", where nobody can ask; set it to an address with a port")]
    Nowhere {
        /// What is configured.
        listen: String,
    },
    /// It does not answer.
    #[error("no answer from {addr}")]
    Silent {
        /// Where it was asked.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// It answers that it is not.
    #[error("{addr} answers \"{status}\"")]
    Refused {
        /// Where it was asked.
        addr: SocketAddr,
        /// The first line of the answer.
        status: String,
    },
}

impl Faulty for NotReady {
    fn fault(&self) -> Fault {
        match self {
            NotReady::Nowhere { .. } => Fault::Configuration,
            NotReady::Silent { .. } | NotReady::Refused { .. } => Fault::Dependency,
        }
    }
}

/// Asks `/readyz` of the service that listens at `listen`, the `http.listen` of its configuration.
///
/// # Errors
/// It is not ready, does not answer within seconds, or its port is not a fixed one.
pub fn ask(listen: &str) -> Result<(), NotReady> {
    let addr = address(listen).ok_or_else(|| NotReady::Nowhere {
        listen: listen.to_owned(),
    })?;
    let status = status_line(addr).map_err(|source| NotReady::Silent { addr, source })?;
    if status.split_whitespace().nth(1) == Some("200") {
        Ok(())
    } else {
        Err(NotReady::Refused { addr, status })
    }
}

/// Where to connect to: what listens on every address is asked on the loopback one.
fn address(listen: &str) -> Option<SocketAddr> {
    let mut addr = listen.to_socket_addrs().ok()?.next()?;
    match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    (addr.port() != 0).then_some(addr)
}

fn status_line(addr: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_asked_on_the_loopback_one() {
        for (listen, asked) in [
            ("0.0.0.0:8080", Some("127.0.0.1:8080")),
            ("[::]:8080", Some("[::1]:8080")),
            ("127.0.0.2:9", Some("127.0.0.2:9")),
            ("127.0.0.1:0", None),
            ("", None),
            ("8080", None),
        ] {
            let found = address(listen).map(|addr| addr.to_string());
            assert_eq!(found.as_deref(), asked, "{listen}");
        }
    }
}
