-- Which of these names are in the book.
-- Parameters: keys (JSON array)
SELECT u.NameKey
FROM dbo.UserNames AS u
WHERE u.NameKey IN (SELECT k.value FROM OPENJSON(?) AS k)
