//! TLS with certificates of clients.

use super::{Server, common, settings};
use semrank_pipeline::{Context, Run};
use semrank_serve::{Listen, Service, Tls, serve};
use std::net::SocketAddr;
use std::path::Path;

/// Makes keys and certificates by the machine's `openssl`; returns whether it has one.
fn certificates(dir: &Path) -> bool {
    let run = |args: &[&str]| {
        let done = std::process::Command::new("openssl").args(args).current_dir(dir).output();
        done.is_ok_and(|done| done.status.success())
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let signed = |name: &str, rest: &[&str]| {
        let (out, to) = (format!("{name}.pem"), format!("{name}.key"));
        run(&[
            &["req", "-x509", "-out", &out, "-keyout", &to, "-subj", &format!("/CN={name}")],
            &key[..],
            rest,
        ]
        .concat())
    };
    let of_signer =
        ["-CA", "signer.pem", "-CAkey", "signer.key", "-addext", "basicConstraints=critical,CA:FALSE"];
    signed("signer", &[])
        && signed("server", &[&of_signer[..], &["-addext", "subjectAltName=IP:127.0.0.1"]].concat())
        && signed("client", &of_signer)
        && signed("stranger", &["-addext", "basicConstraints=critical,CA:FALSE"])
}

#[test]
fn who_has_no_certificate_is_refused_where_clients_need_one() {
    use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
    let dir = tempfile::tempdir().unwrap();
    if !certificates(dir.path()) {
        println!("skipped: this machine has no openssl that signs certificates");
        return;
    }
    common::trained(dir.path());
    let file = |name: &str| dir.path().join(name);
    let pem = |name: &str| std::fs::read(file(name)).unwrap();
    let tls =
        Tls { certificate: file("server.pem"), key: file("server.key"), clients: Some(file("signer.pem")) };
    let broken = Tls { key: file("signer.pem"), ..tls.clone() };
    let server = Server::listening(dir.path(), None, Some(tls));
    let ready = |client: Option<&str>| {
        let signer = Certificate::from_pem(&pem("signer.pem")).unwrap();
        let own = client.map(|name| {
            let certificate = Certificate::from_pem(&pem(&format!("{name}.pem"))).unwrap();
            let key = PrivateKey::from_pem(&pem(&format!("{name}.key"))).unwrap();
            ClientCert::new_with_certs(&[certificate], key)
        });
        let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[signer])).client_cert(own);
        let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls.build()).build().into();
        agent.get(format!("{}/v2/health/ready", server.url)).call().is_ok()
    };
    assert_eq!([Some("client"), None, Some("stranger")].map(ready), [true, false, false]);
    drop(server);
    let service = Service::open(Run::open(&file("run")).unwrap(), settings(dir.path()), &Context::default());
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen = Listen { address, keys: None, tls: Some(broken), without_keys: false };
    let said = serve(service.unwrap(), &listen, || true, |_| {}).unwrap_err().to_string();
    assert!(said.contains("signer.pem"), "{said}");
}
