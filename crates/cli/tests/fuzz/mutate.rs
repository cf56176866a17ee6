//! One valid file in, one damaged file out: what goes wrong on disks and networks, and deliberate damage. Every
//! change is drawn from the generator that is passed in, so a case is made again from its seed and number.

use semrank_core::Rng;

/// Numbers at which sizes overflow, and those just beside.
const NUMBERS: [u64; 14] = [
    0,
    1,
    2,
    127,
    255,
    65_535,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
    1 << 32,
    1 << 60,
    1 << 62,
    1 << 63,
    u64::MAX,
];

/// What a number in a text may become.
const WORDS: [&str; 12] = [
    "0",
    "-1",
    "1e308",
    "-1e-320",
    "NaN",
    "null",
    "true",
    "\"x\"",
    "[]",
    "{}",
    "99999999999999999999999999",
    "0.00000001",
];

/// What is put between two bytes: delimiters, quotes, brackets, controls, and bytes that are not UTF-8.
const TOKENS: [&[u8]; 24] = [
    b",",
    b"\t",
    b"\n",
    b"\r\n",
    b"\r",
    b"\"",
    b"'",
    b"\\",
    b"::",
    b"|",
    b"[",
    b"]",
    b"{",
    b"}",
    b":",
    b"=",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"-",
    b"../",
    b"\\u0000",
];

/// The longest run of bytes that a change sets, removes or repeats, mostly.
const RUN: usize = 40;

/// `bytes` with one change, often two or three. `other` is a second valid file to splice with.
pub(crate) fn mutate(bytes: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let changes = [1, 1, 1, 2, 2, 3, 8][rng.below(7)];
    for _ in 0..changes {
        if out.is_empty() {
            out = vec![0];
        }
        change(&mut out, other, rng);
    }
    out
}

fn change(out: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let at = place(out.len(), rng);
    let end = (at + 1 + rng.below(RUN)).min(out.len());
    match rng.below(16) {
        0 | 1 => out[at] ^= 1 << rng.below(8),
        2 => out[at] = rng.below(256) as u8,
        3 => out[at..end].fill([0, 0xff, b'9', b' ', b'"'][rng.below(5)]),
        4 => drop(out.drain(at..end)),
        5 => repeat(out, at..end, rng),
        6 => out.truncate(at),
        7 => splice(out, other, rng),
        8..=10 => number(out, at, rng),
        11 | 12 => decimal(out, at, rng),
        13 | 14 => drop(out.splice(at..at, TOKENS[rng.below(TOKENS.len())].iter().copied())),
        _ => drop(out.splice(at..at, vec![b"[{(\"0a,"[rng.below(7)]; some(12, rng)])),
    }
}

/// Headers and footers say how the rest is to be read, so a third of all changes are at either end.
fn place(len: usize, rng: &mut Rng) -> usize {
    match rng.below(6) {
        0 => rng.below(len.min(64)),
        1 => len - 1 - rng.below(len.min(64)),
        _ => rng.below(len),
    }
}

/// A number from 1 to 2^`bits`, every order of magnitude as often.
fn some(bits: usize, rng: &mut Rng) -> usize {
    let most = 1 << rng.below(bits + 1);
    1 + rng.below(most)
}

fn repeat(out: &mut Vec<u8>, range: std::ops::Range<usize>, rng: &mut Rng) {
    let run = out[range.clone()].repeat(some(6, rng));
    out.splice(range.end..range.end, run);
}

/// The beginning of one file and the end of the other.
fn splice(out: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    out.truncate(rng.below(out.len() + 1));
    out.extend(&other[rng.below(other.len() + 1)..]);
}

/// A length, an offset or a count in little-endian bytes; or one that is added to what stands there.
fn number(out: &mut [u8], at: usize, rng: &mut Rng) {
    let width = [1, 2, 4, 8][rng.below(4)];
    let at = if rng.below(2) == 0 { at / width * width } else { at };
    let end = (at + width).min(out.len());
    let mut old = [0; 8];
    old[..end - at].copy_from_slice(&out[at..end]);
    let new = match rng.below(4) {
        0 => u64::from_le_bytes(old).wrapping_add(1),
        1 => u64::from_le_bytes(old).wrapping_sub(1),
        _ => NUMBERS[rng.below(NUMBERS.len())],
    };
    out[at..end].copy_from_slice(&new.to_le_bytes()[..end - at]);
}

/// Another number in the place of the first one in decimals from `at` on.
fn decimal(out: &mut Vec<u8>, at: usize, rng: &mut Rng) {
    let Some(start) = out[at..].iter().position(u8::is_ascii_digit).map(|offset| at + offset) else { return };
    let len = out[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let new = match rng.below(2) {
        0 => WORDS[rng.below(WORDS.len())].to_owned(),
        _ => NUMBERS[rng.below(NUMBERS.len())].to_string(),
    };
    out.splice(start..start + len, new.into_bytes());
}
