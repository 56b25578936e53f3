//! The partition of a clinic. References never cross clinics, so the events of a clinic belong in one partition, which
//! one consumer at a time reads. Correctness does not depend on it.

use std::num::NonZero;

use sha2::{Digest as _, Sha256};

/// The maximum of `broker.partitions`.
pub const MAX: u16 = 256;

/// The partition of a clinic, from 0: the first eight bytes of the SHA-256 of its id, big-endian, modulo the number of
/// partitions. Processes of different versions must agree on it.
pub fn for_clinic(clinic_id: &str, partitions: NonZero<u16>) -> u16 {
    let digest = Sha256::digest(clinic_id.as_bytes());
    let hash = digest.iter().take(8).fold(0, |hash: u64, byte| hash << 8 | u64::from(*byte));
    #[expect(clippy::cast_possible_truncation, reason = "it is less than the number of partitions")]
    let partition = (hash % u64::from(partitions.get())) as u16;
    partition
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_of_a_clinic_never_changes() {
        let partitions =
            |clinic| [1, 2, 16, 256].map(|count| for_clinic(clinic, NonZero::new(count).unwrap()));
        assert_eq!(partitions("clinic_abc"), [0, 0, 14, 254]);
        assert_eq!(partitions("clinic_xyz"), [0, 0, 14, 46]);
    }

    #[test]
    fn clinics_spread_over_all_partitions() {
        let count = NonZero::new(16).unwrap();
        let mut clinics = [0_u32; 16];
        for number in 0..1_600 {
            clinics[usize::from(for_clinic(&format!("clinic_{number}"), count))] += 1;
        }
        assert!(clinics.iter().all(|clinics| (60..=140).contains(clinics)), "{clinics:?}");
    }
}
