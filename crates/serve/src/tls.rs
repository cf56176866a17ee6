//! TLS: the server's certificate and, where clients must have one too, who signs theirs.

use crate::ServerError;
use axum_server::tls_rustls::RustlsConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// PEM files.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Certificate chain of the server.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Certificates that sign those of clients; without them, clients need none.
    pub clients: Option<PathBuf>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// The file that cannot be used, and why.
    pub(crate) fn config(&self) -> Result<RustlsConfig, ServerError> {
        // Another part of the program may have chosen a provider already: then it stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = match &self.clients {
            None => ServerConfig::builder().with_no_client_auth(),
            Some(path) => {
                let mut signers = RootCertStore::empty();
                for signer in certificates(path)? {
                    signers.add(signer).map_err(|error| wrong(path, error))?;
                }
                let verifier = WebPkiClientVerifier::builder(Arc::new(signers)).build();
                ServerConfig::builder()
                    .with_client_cert_verifier(verifier.map_err(|error| wrong(path, error))?)
            }
        };
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| wrong(&self.key, error))?;
        let config = builder.with_single_cert(certificates(&self.certificate)?, key);
        let mut config = config.map_err(|error| wrong(&self.certificate, error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(RustlsConfig::from_config(Arc::new(config)))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServerError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found = found.map_err(|error| wrong(path, error))?;
    if found.is_empty() {
        return Err(wrong(path, "there is no certificate in it; a PEM file is expected"));
    }
    Ok(found)
}

fn wrong(path: &Path, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ServerError {
    ServerError::Tls { path: path.to_owned(), source: io::Error::other(error) }
}
