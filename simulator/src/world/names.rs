//! Names of invented people.

use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;

const FIRST: [&str; 24] = [
    "Aarav", "Aditi", "Ananya", "Arjun", "Bhavna", "Deepak", "Divya", "Farhan", "Gauri", "Harish", "Ishaan",
    "Kavya", "Lakshmi", "Manoj", "Meera", "Nikhil", "Pooja", "Rahul", "Sanjana", "Tanvi", "Uday", "Vidya",
    "Yusuf", "Zoya",
];
const LAST: [&str; 20] = [
    "Agarwal", "Bhatt", "Chopra", "Das", "Fonseca", "Ghosh", "Iyer", "Joshi", "Kulkarni", "Malhotra",
    "Menon", "Nair", "Patel", "Qureshi", "Rao", "Sharma", "Singh", "Thomas", "Verma", "Yadav",
];
const CITIES: [(&str, &str, &str); 8] = [
    ("Mumbai", "Maharashtra", "400001"),
    ("Pune", "Maharashtra", "411001"),
    ("Bengaluru", "Karnataka", "560001"),
    ("Chennai", "Tamil Nadu", "600001"),
    ("Kolkata", "West Bengal", "700001"),
    ("Jaipur", "Rajasthan", "302001"),
    ("Kochi", "Kerala", "682001"),
    ("Lucknow", "Uttar Pradesh", "226001"),
];

/// An invented person.
pub(super) struct Person {
    pub(super) first_name: &'static str,
    pub(super) last_name: &'static str,
    pub(super) email: String,
    pub(super) phone_number: String,
    pub(super) city: (&'static str, &'static str, &'static str),
}

pub(super) fn person(rng: &mut ChaCha8Rng) -> Person {
    let (first_name, last_name) = (one(rng, &FIRST), one(rng, &LAST));
    let number = rng.random_range(0..1_000_000_000_u32);
    Person {
        first_name,
        last_name,
        // A reserved domain (RFC 2606, section 3).
        email: format!("{first_name}.{last_name}.{number}@example.com").to_lowercase(),
        phone_number: format!("9{number:09}"),
        city: one(rng, &CITIES),
    }
}

/// Twelve digits in the form of an Aadhaar number. It begins with 0, which no issued number does.
pub(super) fn aadhar_number(rng: &mut ChaCha8Rng) -> String {
    let mut group = |end: u32| rng.random_range(0..end);
    format!("0{:03}-{:04}-{:04}", group(1_000), group(10_000), group(10_000))
}

/// A random choice.
pub(super) fn one<T: Copy, const N: usize>(rng: &mut ChaCha8Rng, choices: &[T; N]) -> T {
    choices[rng.random_range(0..N)]
}
