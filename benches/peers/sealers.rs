//! Times a writer that cannot read, alongside age and HPKE as Tink configures it, as Markdown:
//! `cargo bench --bench sealers --features age`.

#[path = "../turns.rs"]
mod turns;

use std::hint::black_box;
use std::time::Duration;

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Kem, OpModeR, OpModeS, single_shot_open, single_shot_seal};
use sealwax::{EncryptionContext, Keyring, OpeningKey, Sealer, Secret};
use turns::{Contender, take_turns, time};

const CREDENTIAL: &str = "sk-proj-1a2B3c4D5e6F7g8H9i0J1a2B3c4D5e6F7g8H9i0J123";
const INFO: &[u8] = b"tenant=acme row=42";

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let budget = Duration::from_millis(if quick { 1 } else { 4000 });
    let secret = Secret::from(CREDENTIAL);
    let context = EncryptionContext::new([("tenant", "acme"), ("row", "42")]).unwrap();

    let opening_key = OpeningKey::generate().unwrap();
    let sealer = Sealer::new("writer/2026".parse().unwrap(), opening_key.sealing_key()).unwrap();
    let ring = Keyring::new("writer/2026".parse().unwrap(), opening_key).unwrap();
    let envelope = sealer.seal(&secret, &context).unwrap();

    // Tink's DHKEM_X25519_HKDF_SHA256_HKDF_SHA256_AES_256_GCM. Its port to Rust has no HPKE.
    let (private, public) = X25519HkdfSha256::gen_keypair();
    let seal_hpke = || {
        let (mode, text) = (OpModeS::Base, CREDENTIAL.as_bytes());
        single_shot_seal::<AesGcm256, HkdfSha256, X25519HkdfSha256>(&mode, &public, INFO, text, b"")
            .unwrap()
    };
    let open_hpke =
        |(encapsulated, ciphertext): &(<X25519HkdfSha256 as Kem>::EncappedKey, Vec<u8>)| {
            single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
                &OpModeR::Base,
                &private,
                encapsulated,
                INFO,
                ciphertext,
                b"",
            )
            .unwrap()
        };
    let message = seal_hpke();
    assert_eq!(open_hpke(&message), CREDENTIAL.as_bytes());

    // age, with one X25519 recipient.
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public();
    let file = age::encrypt(&recipient, CREDENTIAL.as_bytes()).unwrap();

    let mut contenders = [
        Contender::new("`Sealer`: X-Wing (ML-KEM-768 and X25519), with a psk", || {
            black_box(sealer.seal(black_box(&secret), &context).unwrap());
        }),
        Contender::new("age: X25519", || {
            black_box(age::encrypt(&recipient, black_box(CREDENTIAL.as_bytes())).unwrap());
        }),
        Contender::new("HPKE as Tink has it: X25519", || {
            black_box(seal_hpke());
        }),
        Contender::new("`Sealer`", || {
            black_box(ring.open(black_box(&envelope), &context).unwrap());
        }),
        Contender::new("age", || {
            black_box(age::decrypt(&identity, black_box(&file)).unwrap());
        }),
        Contender::new("HPKE", || {
            black_box(open_hpke(black_box(&message)));
        }),
    ];
    let found = take_turns(&mut contenders, budget);

    println!("| A writer's credential with | Seal | Times age | Open | Times age | Bytes |");
    println!("|---|---:|---:|---:|---:|---:|");
    let bytes = [envelope.as_bytes().len(), file.len(), 32 + message.1.len()];
    let (seals, opens) = found.split_at(3);
    for at in 0..3 {
        println!(
            "| {} | {} | {:.2} | {} | {:.2} | {} |",
            contenders[at].name,
            time(seals[at]),
            seals[at] / seals[1],
            time(opens[at]),
            opens[at] / opens[1],
            bytes[at],
        );
    }
}
