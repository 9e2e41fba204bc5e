//! Every message that the types allow survives the way over the wire, in both shapes; and arbitrary bytes crash
//! nothing.

use proptest::prelude::*;
use pytest_lens_protocol::{Shape, decode_request, decode_response, encode, encode_framed, frame};

use crate::{arbitrary, samples};

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![Just(Shape::Named), Just(Shape::Compact)]
}

proptest! {
    #[test]
    fn requests(message in arbitrary::request(true), shape in shape()) {
        let bytes = encode(&message, shape).unwrap();
        prop_assert_eq!(decode_request(&bytes), (shape, Ok(message)));
    }

    #[test]
    fn a_message_is_encoded_into_the_frame_of_its_bytes(message in arbitrary::response(true), shape in shape()) {
        let framed = encode_framed(&message, shape).unwrap();
        prop_assert_eq!(framed, frame(&encode(&message, shape).unwrap()).unwrap());
    }

    #[test]
    fn responses(message in arbitrary::response(true), shape in shape()) {
        let bytes = encode(&message, shape).unwrap();
        prop_assert_eq!(decode_response(&bytes), (shape, Ok(message)));
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_request(&bytes);
        let _ = decode_response(&bytes);
    }

    #[test]
    fn a_cut_message_is_an_error(message in arbitrary::request(true), shape in shape(), at in any::<prop::sample::Index>()) {
        let bytes = encode(&message, shape).unwrap();
        prop_assert!(decode_request(&bytes[..at.index(bytes.len())]).1.is_err());
    }

    #[test]
    fn a_changed_byte_does_no_harm(
        place in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        shape in shape(),
    ) {
        let messages = samples::responses();
        let mut bytes = encode(&messages[place.index(messages.len())], shape).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let (_, Err(error)) = decode_response(&bytes) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
