package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/vauban-cloud/vauban/object/index"
	"github.com/vauban-cloud/vauban/object/index/postgres"
)

// What Config.ObjectsIndex says besides a URL.
const (
	localIndex    = "local"
	databaseIndex = "database"
)

// objectsDatabase is the database that has the index of objects; ok is false if none does.
func (c Config) objectsDatabase() (url string, ok bool, err error) {
	switch {
	case c.ObjectsIndex == "" || c.ObjectsIndex == localIndex:
		return "", false, nil
	case c.ObjectsIndex == databaseIndex && c.Database == "":
		return "", false, errors.New("--objects-index database takes a PostgreSQL: give it to --database, too")
	case c.ObjectsIndex == databaseIndex:
		return c.Database, true, nil
	case strings.HasPrefix(c.ObjectsIndex, "postgres://") || strings.HasPrefix(c.ObjectsIndex, "postgresql://"):
		return c.ObjectsIndex, true, nil
	default:
		return "", false, fmt.Errorf("--objects-index is none of %s, %s and postgres://…", localIndex, databaseIndex)
	}
}

// objectsIndex opens the index of objects for object.Config, nil for its default.
func (c Config) objectsIndex(log *slog.Logger) (func(failed func(error)) (index.Engine, error), error) {
	url, ok, err := c.objectsDatabase()
	if !ok {
		return nil, err
	}
	return func(failed func(error)) (index.Engine, error) {
		return postgres.Open(context.Background(), postgres.Config{Database: url, Log: log, Failed: failed})
	}, nil
}
