//! Hash functions of other assignment tools, so that running tests can be taken over bucket by bucket.
//!
//! FNV-1a: Fowler, Noll & Vo; growthbook hashes UTF-16 code units as its JavaScript reference does. MurmurHash3 x86 32: Appleby. PlanOut:
//! the first 15 hexadecimal digits of SHA-1 (Bakshy, Eckles & Bernstein, WWW 2014).

use crate::random::mix;
use sha1::{Digest, Sha1};

/// FNV-1a with 32 bits over the UTF-16 code units of a text.
pub fn fnv1a32(text: &str) -> u32 {
    text.encode_utf16().fold(0x811c_9dc5, |hash, unit| (hash ^ u32::from(unit)).wrapping_mul(0x0100_0193))
}

/// growthbook's hash, in `[0, 1)`: version 1 has 1,000 buckets, version 2 has 10,000 and no correlation between seeds.
pub fn growthbook(seed: &str, value: &str, version: u8) -> f64 {
    if version == 1 {
        f64::from(fnv1a32(&format!("{value}{seed}")) % 1000) / 1000.0
    } else {
        f64::from(fnv1a32(&fnv1a32(&format!("{seed}{value}")).to_string()) % 10_000) / 10_000.0
    }
}

/// MurmurHash3 (x86, 32 bits) of bytes.
pub fn murmur3(bytes: &[u8], seed: u32) -> u32 {
    let scramble = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let little = |part: &[u8]| part.iter().rev().fold(0_u32, |word, &byte| word << 8 | u32::from(byte));
    let chunks = bytes.chunks_exact(4);
    let rest = chunks.remainder();
    let mut hash = chunks.fold(seed, |hash, part| {
        (hash ^ scramble(little(part))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
    });
    hash ^= scramble(little(rest));
    hash ^= bytes.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

/// Optimizely's bucket of 10,000.
pub fn murmur3_bucket(key: &str) -> u32 {
    (f64::from(murmur3(key.as_bytes(), 1)) / 4_294_967_296.0 * 10_000.0) as u32
}

/// PlanOut's 60-bit hash of `experiment.parameter.unit`.
pub fn planout(experiment: &str, parameter: &str, unit: &str) -> u64 {
    let digest = Sha1::digest(format!("{experiment}.{parameter}.{unit}").as_bytes());
    digest.iter().take(8).fold(0_u64, |word, &byte| word << 8 | u64::from(byte)) >> 4
}

/// PlanOut's largest hash.
pub const PLANOUT_SCALE: u64 = 0xfff_ffff_ffff_ffff;

/// 64 bits of a salted text: FNV-1a over the bytes of the salt, a separator and the unit, then a full avalanche.
pub fn wide(salt: &str, unit: &str) -> u64 {
    let bytes = salt.bytes().chain([0xff]).chain(unit.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(mix(hash ^ 0x9e37_79b9_7f4a_7c15))
}
