//! Tries to mint a certificate with the key shares on stolen disks, and says what came of it.

use clap::Parser;
use hypermesh_core::hypermesh::committee::KeyPurpose;
use hypermesh_core::trust::{CertificateProof, TrustBundle};
use hypermesh_core::trustchain::ca::{CertificateRequest, PemLabel, from_pem, pem};
use hypermesh_tests::thief::{Forgery, Loot, Nothing};
use std::fs::{create_dir_all, read_to_string, write};
use std::path::PathBuf;

/// Mint a certificate with the key shares on stolen disks. What it makes is as good as can be made of them:
/// judge it with `openssl verify` and `hypermesh cert verify`.
#[derive(Parser)]
struct Arguments {
    /// A stolen node's key shares (`store.shares`); once for each
    #[arg(long = "shares", value_name = "DIR", required = true)]
    shares: Vec<PathBuf>,
    /// The mesh's trust bundle, which is public
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// The folder of a genuine certificate, to imitate
    #[arg(long, value_name = "DIR")]
    like: PathBuf,
    /// What to certify: a request in PEM, for any name
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// Where to write cert.pem and cert.proof
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn main() -> Result<(), Nothing> {
    let arguments = Arguments::parse();
    let read = |path: &PathBuf| read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let loot = Loot::take(&arguments.shares)?;
    let bundle = TrustBundle::from_pem(&read(&arguments.trust)?)?;
    let genuine = from_pem(PemLabel::Certificate, &read(&arguments.like.join("cert.pem"))?)?;
    let proof = CertificateProof::from_pem(&read(&arguments.like.join("cert.proof"))?)?;
    let request = CertificateRequest::from_pem(&read(&arguments.csr)?)?;
    let Forgery { certificate, proof, signed_by } = loot.forge(&bundle, &genuine, &proof, &request)?;
    create_dir_all(&arguments.out)?;
    write(arguments.out.join("cert.pem"), pem(PemLabel::Certificate, &certificate))?;
    write(arguments.out.join("cert.proof"), proof.to_pem())?;
    let real = loot.public(KeyPurpose::Issuing).ok_or("the mesh has no issuing key")?;
    println!("shares of {} of the {} validators that it takes", loot.count(), loot.threshold());
    println!("the key that they add up to   {signed_by}");
    println!("the mesh's issuing key        {real}");
    println!("{}", if signed_by == real { "the same: the shares are the key" } else { "not the same" });
    println!("minted {} with it", arguments.out.join("cert.pem").display());
    Ok(())
}
