package object

import (
	"context"
	"encoding/binary"
	"errors"
)

// UploadsInput says which uploads to list: keys in order, of each the oldest first.
type UploadsInput struct {
	ListInput
	// AfterUpload, if it is given, is behind which upload of After to begin.
	AfterUpload string
}

// UploadListing is a page.
type UploadListing struct {
	Uploads    []Upload
	Prefixes   []string
	More       bool
	Next       string
	NextUpload string
}

// Uploads lists the uploads that are under way.
func (s *Store) Uploads(ctx context.Context, bucket string, in UploadsInput) (UploadListing, error) {
	if _, err := s.bucket(bucket); err != nil {
		return UploadListing{}, err
	}
	behind := uint64(0)
	if in.AfterUpload != "" && in.After != "" { // without a key it says nothing
		generation, _, err := parseTicket(in.AfterUpload)
		if err != nil {
			return UploadListing{}, refuse(ErrInput, "upload %q is %v", in.AfterUpload, err)
		}
		behind = generation
	}
	w, err := s.walkFrom(s.db, tableUpload, bucket, in.ListInput, behind > 0)
	if err != nil {
		return UploadListing{}, err
	}
	var l UploadListing
	for w.valid() && in.Max > 0 && err == nil && ctx.Err() == nil {
		key, group := w.key()
		u := upload{generation: binary.BigEndian.Uint64(w.rest()), Upload: Upload{Key: key}}
		resumed := behind > 0 && key == in.After
		if resumed && u.generation <= behind {
			w.it.Next()
			continue
		}
		if len(l.Uploads)+len(l.Prefixes) == in.Max {
			l.More = true
			break
		}
		if group != "" && !resumed {
			l.Prefixes, l.Next, l.NextUpload = append(l.Prefixes, group), group, ""
			w.skip(group)
			continue
		}
		err = u.decode(w.it.Value())
		l.Uploads, l.Next, l.NextUpload = append(l.Uploads, u.Upload), key, u.ID
		w.it.Next()
	}
	if !l.More {
		l.Next, l.NextUpload = "", ""
	}
	return l, errors.Join(err, ctx.Err(), w.close())
}
