//! The engine's requests and responses in MessagePack: each is refused with a sentence, or is the same in both shapes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pytest_lens_protocol::{Shape, decode_request, decode_response, encode, encode_framed};

fuzz_target!(|data: &[u8]| {
    match decode_request(data).1 {
        Ok(request) => {
            let first = encode(&request, Shape::Named).unwrap();
            for shape in [Shape::Named, Shape::Compact] {
                let bytes = encode(&request, shape).unwrap();
                let (same, again) = decode_request(&bytes);
                assert_eq!(same, shape);
                // Compared as bytes: a NaN is unlike itself.
                assert_eq!(encode(&again.unwrap(), Shape::Named).unwrap(), first);
                assert_eq!(encode_framed(&request, shape).unwrap().get(4..), Some(&*bytes));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match decode_response(data).1 {
        Ok(response) => {
            let first = encode(&response, Shape::Named).unwrap();
            for shape in [Shape::Named, Shape::Compact] {
                let again = decode_response(&encode(&response, shape).unwrap()).1.unwrap();
                assert_eq!(encode(&again, Shape::Named).unwrap(), first);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
