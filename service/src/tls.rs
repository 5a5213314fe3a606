//! The cryptography under HTTPS.

/// Makes ring the process's provider, unless it has one already. Call it before the first HTTP
/// client is made: reqwest is compiled without a provider of its own.
pub fn install_provider() {
    // An error means that a provider is in place, which is what was wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
