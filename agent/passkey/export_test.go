package passkey

import "encoding/binary"

// Key reads a COSE key, for tests of keys.
func Key(b []byte) (Algorithm, error) {
	v, err := wholeCBOR(b)
	if err != nil {
		return 0, err
	}
	k, err := readKey(v)
	return k.algorithm, err
}

// CBOR reads a value and writes it anew, in the only way that there is.
func CBOR(b []byte) ([]byte, error) {
	v, err := wholeCBOR(b)
	if err != nil {
		return nil, err
	}
	return v.append(nil), nil
}

func (v cbor) append(b []byte) []byte {
	number := v.number
	switch {
	case number < 24:
		b = append(b, v.major<<5|byte(number))
	case number < 1<<8:
		b = append(b, v.major<<5|24, byte(number))
	case number < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, v.major<<5|25), uint16(number))
	case number < 1<<32:
		b = binary.BigEndian.AppendUint32(append(b, v.major<<5|26), uint32(number))
	default:
		b = binary.BigEndian.AppendUint64(append(b, v.major<<5|27), number)
	}
	b = append(b, v.bytes...)
	for _, item := range v.items {
		b = item.append(b)
	}
	return b
}

// AuthData reads authenticator data and writes what stands before extensions anew.
func AuthData(b []byte) ([]byte, error) {
	d, err := readAuthData(b)
	if err != nil {
		return nil, err
	}
	b = binary.BigEndian.AppendUint32(append(d.rpIDHash[:], d.flags), d.counter)
	if d.has(flagAttested) {
		b = append(b, d.aaguid[:]...)
		b = binary.BigEndian.AppendUint16(b, uint16(len(d.credentialID)))
		b = append(append(b, d.credentialID...), d.rawKey...)
	}
	return b, nil
}

// CheckClientData checks client data of a signature.
func CheckClientData(text []byte, want Expected) error { return checkClientData(text, get, want) }
