//! Base64, as it is written here and read.

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

const EITHER: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(false)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_ALPHABET: GeneralPurpose = GeneralPurpose::new(&STANDARD, EITHER);
const URL_ALPHABET: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, EITHER);
/// What is sealed has one spelling only, so that no byte of it can be changed unnoticed.
const STRICT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Appends bytes in the URL-safe alphabet, without padding.
pub(crate) fn append(text: &mut String, bytes: &[u8]) {
    STRICT.encode_string(bytes, text);
}

/// Reads what [`append`] wrote, and nothing else.
pub(crate) fn strict(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // All at once: growing would leave pieces behind that are not wiped.
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = STRICT.decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

/// Reads base64 as people have it: of either alphabet, padded or not.
pub(crate) fn lenient(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let decoded = STANDARD_ALPHABET.decode_slice(text, &mut bytes);
    let length = decoded.or_else(|_| URL_ALPHABET.decode_slice(text, &mut bytes)).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

/// The standard alphabet with padding, as `openssl rand -base64 32` prints it.
pub(crate) fn padded(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(bytes))
}
