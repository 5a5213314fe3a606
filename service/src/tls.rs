//! HTTPS: its cryptography, and whom it trusts.

use std::fs;
use std::io;

use reqwest::{Certificate, ClientBuilder};

/// A file of CA certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// It cannot be read.
    #[error("cannot read the CA certificates in {file}")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// It holds none.
    #[error("there is no certificate in {file}, which is to be a PEM file")]
    Empty {
        /// The file.
        file: String,
    },
}

/// Makes ring the process's provider, unless it has one already. Call it before the first HTTP
/// client is made: reqwest is compiled without a provider of its own.
pub fn install_provider() {
    // An error means that a provider is in place, which is what was wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// An HTTP client to be, which trusts the certificates in a PEM file, or those of the system when
/// `ca_location` is empty.
///
/// # Errors
/// The file cannot be read, or holds no certificate.
pub fn client(ca_location: &str) -> Result<ClientBuilder, CaError> {
    install_provider();
    let builder = reqwest::Client::builder();
    if ca_location.is_empty() {
        return Ok(builder);
    }
    let file = ca_location.to_owned();
    let pem = match fs::read(ca_location) {
        Ok(pem) => pem,
        Err(source) => return Err(CaError::Read { file, source }),
    };
    match Certificate::from_pem_bundle(&pem) {
        Ok(trusted) if !trusted.is_empty() => Ok(builder.tls_certs_only(trusted)),
        _ => Err(CaError::Empty { file }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_no_certificate_is_refused_by_name() {
        let _ = client("").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let name = file.display().to_string();
        let error = client(&name).unwrap_err().to_string();
        assert!(
            error.contains("cannot read") && error.contains(&name),
            "{error}"
        );
        for text in ["", "not a certificate"] {
            fs::write(&file, text).unwrap();
            let error = client(&name).unwrap_err().to_string();
            assert!(
                error.contains("no certificate") && error.contains(&name),
                "{error}"
            );
        }
    }
}
