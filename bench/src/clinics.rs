//! Clinics by the partition of their events.

use std::num::NonZero;

use careq_shared::broker::partition::for_clinic;

/// Ids of clinics, one in each partition, in the order of the partitions.
pub(crate) fn one_in_each_partition(partitions: NonZero<u16>) -> Vec<String> {
    (0..partitions.get()).map(|partition| in_partition(partition, partitions)).collect()
}

/// Id of a clinic whose events are in this partition.
pub(crate) fn in_partition(partition: u16, partitions: NonZero<u16>) -> String {
    let mut number = 0_u64;
    loop {
        let clinic_id = format!("clinic_{number}");
        if for_clinic(&clinic_id, partitions) == partition {
            return clinic_id;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_clinic_is_in_its_partition() {
        let partitions = NonZero::new(16).unwrap();
        let clinics = one_in_each_partition(partitions);
        let found: Vec<_> = clinics.iter().map(|clinic_id| for_clinic(clinic_id, partitions)).collect();
        assert_eq!(found, (0..16).collect::<Vec<_>>());
    }
}
