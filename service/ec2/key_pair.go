package ec2

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"iter"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

const maxKeyName = 255 // ASCII characters

// CreateKeyPair makes an RSA key of 2048 bits or an ED25519 key. The private
// key is in the answer alone: PKCS#1 PEM for RSA, OpenSSH's form for ED25519.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateKeyPair.html
func (s *Service) CreateKeyPair(ctx context.Context, in *ec2.CreateKeyPairRequest) (*ec2.KeyPair, error) {
	caller, err := s.allow(ctx, "CreateKeyPair", in.DryRun, s.asking(ctx).newKeyPair(in.KeyName, cmp.Or(val(in.KeyType), keyRSA), in.TagSpecifications))
	if err != nil {
		return nil, err
	}
	if err := checkKeyName(val(in.KeyName)); err != nil {
		return nil, err
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "key-pair")
	if err != nil {
		return nil, err
	}
	switch format := val(in.KeyFormat); format {
	case "", ec2.KeyFormatPem:
	case ec2.KeyFormatPpk:
		return nil, unsupported("The key format 'ppk' is not available. Use 'pem', and convert the key with puttygen.")
	default:
		return nil, invalid("KeyFormat", format, "Valid values are: pem, ppk.")
	}
	var material, fingerprint string
	var public publicKey
	switch kind := val(in.KeyType); kind {
	case "", keyRSA:
		material, fingerprint, public, err = newRSA()
	case keyED25519:
		material, fingerprint, public, err = newED25519(val(in.KeyName))
	default:
		return nil, invalid("KeyType", kind, "Valid values are: rsa, ed25519.")
	}
	if err != nil {
		return nil, err
	}
	pair, err := s.keepKeyPair(ctx, caller, val(in.KeyName), public, fingerprint, tags)
	if err != nil {
		return nil, err
	}
	return &ec2.KeyPair{
		KeyPairId: &pair.ID, KeyName: &pair.Name, KeyFingerprint: &pair.Fingerprint, KeyMaterial: &material, Tags: tagSet(pair.Tags),
	}, nil
}

// ImportKeyPair keeps a public key that the caller brings; see parsePublicKey.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ImportKeyPair.html
func (s *Service) ImportKeyPair(ctx context.Context, in *ec2.ImportKeyPairRequest) (*ec2.ImportKeyPairResult, error) {
	caller, err := s.allow(ctx, "ImportKeyPair", in.DryRun, s.asking(ctx).newKeyPair(in.KeyName, "", in.TagSpecifications))
	if err != nil {
		return nil, err
	}
	if err := checkKeyName(val(in.KeyName)); err != nil {
		return nil, err
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "key-pair")
	if err != nil {
		return nil, err
	}
	if len(in.PublicKeyMaterial) == 0 {
		return nil, missing("PublicKeyMaterial")
	}
	public, err := parsePublicKey(in.PublicKeyMaterial)
	if err != nil {
		return nil, cloud.Errorf("InvalidKey.Format", "Key is not in valid OpenSSH public key format")
	}
	fingerprint, err := public.fingerprint()
	if err != nil {
		return nil, err
	}
	pair, err := s.keepKeyPair(ctx, caller, val(in.KeyName), public, fingerprint, tags)
	if err != nil {
		return nil, err
	}
	return &ec2.ImportKeyPairResult{
		KeyPairId: &pair.ID, KeyName: &pair.Name, KeyFingerprint: &pair.Fingerprint, Tags: tagSet(pair.Tags),
	}, nil
}

// DescribeKeyPairs lists the caller's key pairs.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeKeyPairs.html
func (s *Service) DescribeKeyPairs(ctx context.Context, in *ec2.DescribeKeyPairsRequest) (*ec2.DescribeKeyPairsResult, error) {
	caller, err := s.allow(ctx, "DescribeKeyPairs", in.DryRun)
	if err != nil {
		return nil, err
	}
	keep, err := match(in.Filters, keyPairFields, func(k cloud.KeyPair) map[string]string { return k.Tags })
	if err != nil {
		return nil, err
	}
	pairs, err := s.namedKeyPairs(caller, in.KeyNames, in.KeyPairIds)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeKeyPairsResult{KeyPairs: []ec2.KeyPairInfo{}}
	for k := range where(pairs, keep) {
		info := ec2.KeyPairInfo{
			KeyPairId: &k.ID, KeyName: &k.Name, KeyType: &k.Type, KeyFingerprint: &k.Fingerprint,
			CreateTime: &k.Created, Tags: tagSet(k.Tags),
		}
		if val(in.IncludePublicKey) {
			info.PublicKey = &k.PublicKey
		}
		out.KeyPairs = append(out.KeyPairs, info)
	}
	return out, nil
}

// DeleteKeyPair forgets a key pair, given by name or ID; one that is not there
// is fine. Guests that run keep the key.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteKeyPair.html
func (s *Service) DeleteKeyPair(ctx context.Context, in *ec2.DeleteKeyPairRequest) (*ec2.DeleteKeyPairResult, error) {
	caller, err := s.allow(ctx, "DeleteKeyPair", in.DryRun, s.asking(ctx).namedKeyPair(in.KeyName, in.KeyPairId))
	if err != nil {
		return nil, err
	}
	name, id := val(in.KeyName), val(in.KeyPairId)
	switch {
	case name == "" && id == "":
		return nil, missing("KeyName")
	case name != "" && id != "":
		return nil, cloud.Errorf("InvalidParameterCombination", "The parameter KeyName cannot be used with the parameter KeyPairId")
	case id != "":
		if err := checkIDs("key", id); err != nil {
			return nil, err
		}
	}
	var deleted string
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		deleted = ""
		key := id
		if name != "" {
			key, _ = store.Owner(tx, keyNames(caller.Account), name)
		}
		if k, ok := keyPairTable.Get(tx, key); !ok || k.Account != caller.Account {
			return nil
		}
		deleted = key
		tx.ReleaseAll(key)
		return keyPairTable.Delete(tx, key)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteKeyPairResult{Return: new(true), KeyPairId: opt(deleted)}, nil
}

var keyPairFields = fields[cloud.KeyPair]{
	"key-pair-id": one(cloud.KeyPair.Key),
	"key-name":    one(func(k cloud.KeyPair) string { return k.Name }),
	"key-type":    one(func(k cloud.KeyPair) string { return k.Type }),
	"fingerprint": one(func(k cloud.KeyPair) string { return k.Fingerprint }),
}

// namedKeyPairs returns the key pairs of the given names and IDs, all of the
// account if none are given.
func (s *Service) namedKeyPairs(c cloud.Caller, names, ids []string) (iter.Seq[cloud.KeyPair], error) {
	view := s.DB.View()
	if len(names)+len(ids) == 0 {
		return keyPairTable.Select(view, cloud.AccountLabel(c.Account)), nil
	}
	for _, name := range names {
		id, ok := store.Owner(view, keyNames(c.Account), name)
		if !ok {
			return nil, noKeyPair(name)
		}
		ids = append(slices.Clip(ids), id)
	}
	found, err := find(view, c, keyPairTable, "key", ids)
	return slices.Values(found), err
}

// keepKeyPair records a key under a name that nothing else of the account has.
func (s *Service) keepKeyPair(ctx context.Context, c cloud.Caller, name string, public publicKey, fingerprint string, tags map[string]string) (cloud.KeyPair, error) {
	pair := cloud.KeyPair{
		Meta: cloud.Meta{ID: s.NewID("key"), Account: c.Account, Created: s.Now().UTC(), Tags: tags},
		Name: name, Type: public.kind, PublicKey: public.authorized(name), Fingerprint: fingerprint,
	}
	return pair, s.DB.Update(ctx, func(tx *store.Tx) error {
		if _, taken := store.Owner(tx, keyNames(c.Account), name); taken {
			return cloud.Errorf("InvalidKeyPair.Duplicate", "The keypair '%s' already exists.", name)
		}
		if err := tx.Claim(keyNames(c.Account), name, pair.ID); err != nil {
			return err
		}
		return keyPairTable.Create(tx, pair)
	})
}

// keyNames is the claim space of an account's key names.
func keyNames(account string) string { return "keyname/" + account }

func noKeyPair(name string) error {
	return cloud.Errorf("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", name)
}

func checkKeyName(name string) error {
	if name == "" {
		return missing("KeyName")
	}
	printable := func(r rune) bool { return r >= ' ' && r <= '~' }
	if len(name) > maxKeyName || strings.TrimSpace(name) != name || strings.TrimFunc(name, printable) != "" {
		return invalid("KeyName", name, "A key name has up to 255 printable ASCII characters, and no space at its ends.")
	}
	return nil
}

func newRSA() (material, fingerprint string, public publicKey, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", publicKey{}, fmt.Errorf("generate RSA key: %w", err)
	}
	if fingerprint, err = privateFingerprint(key); err != nil {
		return "", "", publicKey{}, err
	}
	wire, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return "", "", publicKey{}, fmt.Errorf("convert RSA key: %w", err)
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return string(pem.EncodeToMemory(block)), fingerprint, publicKey{keyRSA, wire}, nil
}

func newED25519(name string) (material, fingerprint string, public publicKey, err error) {
	key, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", publicKey{}, fmt.Errorf("generate ED25519 key: %w", err)
	}
	wire, err := ssh.NewPublicKey(key)
	if err != nil {
		return "", "", publicKey{}, fmt.Errorf("convert ED25519 key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, name)
	if err != nil {
		return "", "", publicKey{}, fmt.Errorf("marshal ED25519 key: %w", err)
	}
	public = publicKey{keyED25519, wire}
	fingerprint, err = public.fingerprint()
	return string(pem.EncodeToMemory(block)), fingerprint, public, err
}
