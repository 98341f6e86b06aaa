/*
 * What orm_model() knows of frameworks: text and names as source code, types.
 */

CREATE OR REPLACE FUNCTION personalize.orm_text_internal(value text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	shown text := to_json(value)::text;
	sign text;
BEGIN
	/* Ruby puts values into strings */
	shown := replace(replace(replace(shown, '#{', E'\\u0023{'), '#$', E'\\u0023$'), '#@', E'\\u0023@');
	/* what ends a line in some language, or makes one look like another */
	FOR sign IN SELECT DISTINCT m.m[1]
		FROM regexp_matches(shown, E'([\\u007f-\\u009f\\u00ad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff])', 'g') AS m (m)
	LOOP
		shown := replace(shown, sign, E'\\u' || lpad(to_hex(ascii(sign)), 4, '0'));
	END LOOP;
	RETURN shown;
END
$$;
COMMENT ON FUNCTION personalize.orm_text_internal(text) IS
	'A text as a string in double quotes that means the same in Python, Ruby, JavaScript, Java and a Prisma schema, on one line';

CREATE OR REPLACE FUNCTION personalize.orm_name_internal(name text, style text, taken text[])
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made text := orm_name_internal.name;
	words text[];
BEGIN
	IF style = 'snake' THEN
		/* Django takes neither two underscores nor one at the end */
		IF made !~ '^[A-Za-z](_?[A-Za-z0-9])*$' THEN
			made := btrim(regexp_replace(made, '[^A-Za-z0-9]+', '_', 'g'), '_');
		END IF;
	ELSE
		words := regexp_split_to_array(btrim(regexp_replace(made, '[^A-Za-z0-9]+', '_', 'g'), '_'), '_');
		SELECT string_agg(CASE WHEN u.place = 1 AND style = 'camel' THEN lower(left(u.word, 1)) ELSE upper(left(u.word, 1)) END || substr(u.word, 2), '' ORDER BY u.place)
			INTO made FROM unnest(words) WITH ORDINALITY AS u (word, place);
	END IF;
	IF coalesce(made, '') !~ '^[A-Za-z]' THEN
		made := concat_ws(CASE style WHEN 'snake' THEN '_' ELSE '' END, CASE style WHEN 'pascal' THEN 'Relation' ELSE 'column' END, nullif(made, ''));
	END IF;
	/* words of the languages, and names that the frameworks need for themselves */
	IF made = ANY ('{False,None,True,and,as,assert,async,await,break,class,continue,def,del,elif,else,except,finally,for,from,global,if,import,in,is,
			lambda,nonlocal,not,or,pass,raise,return,try,while,with,yield,check,clean,clean_fields,delete,from_db,full_clean,objects,pk,
			refresh_from_db,save,save_base,serializable_value,validate_unique,metadata,registry,query,
			abstract,boolean,byte,case,catch,char,clone,const,debugger,default,do,double,enum,export,extends,final,finalize,float,function,getClass,
			goto,hashCode,implements,instanceof,int,interface,let,long,native,new,notify,notifyAll,null,of,package,private,protected,public,record,
			short,static,strictfp,super,switch,synchronized,this,throw,throws,toString,transient,true,false,typeof,var,void,volatile,wait,
			sa,pg,sql,models,postgresql,eval,arguments,undefined}'::text[]) THEN
		made := CASE style WHEN 'snake' THEN 'column_' || made ELSE made || 'Column' END;
	ELSIF made = ANY ('{Base,BigDecimal,Boolean,Column,Entity,GeneratedValue,GenerationType,Id,IdClass,Key,Table,ActiveRecord,ArrayField,Array,Buffer,Byte,Date,DataTypes,Double,EntitySchema,Error,Float,Integer,
			Knex,Long,Map,Meta,Model,Number,Object,Override,Partial,Pick,Promise,Record,ResultSet,Set,Short,SQLException,String,Symbol,System,Tables,
			Boolean,Bytes,Decimal,DateTime,Float,Int,BigInt,Json,Unsupported,PrismaClient}'::text[]) THEN
		made := made || 'Row';
	END IF;
	WHILE made = ANY (taken) LOOP
		made := made || CASE style WHEN 'snake' THEN '_' ELSE '' END || '2';
	END LOOP;
	RETURN made;
END
$$;
COMMENT ON FUNCTION personalize.orm_name_internal(text, text, text[]) IS
	'A name that programs can have for a column or relation, not yet taken: snake (as it is, if it can be), camel or pascal';

CREATE OR REPLACE FUNCTION personalize.orm_usable_internal(name text, framework text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	/* Django and Prisma put names between quotes as they are, Sequelize drops quotes; Rails makes code of names */
	SELECT CASE framework
		WHEN 'django' THEN name !~ '["$%]'
		WHEN 'prisma' THEN name !~ '"'
		WHEN 'sequelize' THEN name !~ '"'
		WHEN 'activerecord' THEN strpos(name, '''') = 0 AND strpos(name, chr(92)) = 0 AND name <> ALL ('{class,clone,dup,freeze,hash,method,methods,object_id,send,association,attribute,attributes,becomes,changed,changes,decrement,delete,destroy,errors,
			increment,logger,reload,save,slice,toggle,touch,transaction,update,validate}'::text[])
		ELSE true END
$$;
COMMENT ON FUNCTION personalize.orm_usable_internal(text, text) IS
	'Can a framework use a column or relation of this name? Where it cannot, its statements would be others than meant';

CREATE OR REPLACE FUNCTION personalize.orm_types_internal()
RETURNS TABLE (type text, framework text, written text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	/* what is after | belongs to it: @db of Prisma, how JDBC gets it, ro: text that JPA cannot write; {n} length, {p} {s} precision and scale, {c} name of the column, {l} labels of an enum, {e} name of an enum */
	SELECT t.type, f.framework, f.written
	FROM (VALUES
		('int2', 'SmallIntegerField()', 'sa.SmallInteger', ':integer, limit: 2', 'Int|@db.SmallInt', 'smallint({c})', 'type: "smallint"', 'DataTypes.SMALLINT', 'number', 'Short|r.getObject({c}, Short.class)', 'Short'),
		('int4', 'IntegerField()', 'sa.Integer', ':integer', 'Int', 'integer({c})', 'type: "integer"', 'DataTypes.INTEGER', 'number', 'Integer|r.getObject({c}, Integer.class)', 'Integer'),
		('int8', 'BigIntegerField()', 'sa.BigInteger', ':integer, limit: 8', 'BigInt', 'bigint({c}, { mode: "bigint" })', 'type: "bigint"', 'DataTypes.BIGINT', 'string', 'Long|r.getObject({c}, Long.class)', 'Long'),
		('bool', 'BooleanField()', 'sa.Boolean', ':boolean', 'Boolean', 'boolean({c})', 'type: "boolean"', 'DataTypes.BOOLEAN', 'boolean', 'Boolean|r.getObject({c}, Boolean.class)', 'Boolean'),
		('float4', 'FloatField()', 'sa.REAL', ':float', 'Float|@db.Real', 'real({c})', 'type: "real"', 'DataTypes.REAL', 'number', 'Float|r.getObject({c}, Float.class)', 'Float'),
		('float8', 'FloatField()', 'postgresql.DOUBLE_PRECISION', ':float', 'Float', 'doublePrecision({c})', 'type: "double precision"', 'DataTypes.DOUBLE', 'number', 'Double|r.getObject({c}, Double.class)', 'Double'),
		('numeric', 'DecimalField(max_digits=1000, decimal_places=30)', 'sa.Numeric', ':decimal', 'Decimal|@db.Decimal', 'numeric({c})', 'type: "numeric"', 'DataTypes.DECIMAL', 'string', 'BigDecimal|r.getBigDecimal({c})', 'BigDecimal'),
		('numeric(n)', 'DecimalField(max_digits={p}, decimal_places={s})', 'sa.Numeric({p}, {s})', ':decimal, precision: {p}, scale: {s}', 'Decimal|@db.Decimal({p}, {s})', 'numeric({c}, { precision: {p}, scale: {s} })', 'type: "numeric", precision: {p}, scale: {s}', 'DataTypes.DECIMAL({p}, {s})', 'string', 'BigDecimal|r.getBigDecimal({c})', 'BigDecimal'),
		('text', 'TextField()', 'sa.Text', ':text', 'String', 'text({c})', 'type: "text"', 'DataTypes.TEXT', 'string', 'String|r.getString({c})', 'String'),
		('varchar', 'TextField()', 'sa.String', ':string', 'String|@db.VarChar', 'varchar({c})', 'type: "varchar"', 'DataTypes.TEXT', 'string', 'String|r.getString({c})', 'String'),
		('varchar(n)', 'CharField(max_length={n})', 'sa.String({n})', ':string, limit: {n}', 'String|@db.VarChar({n})', 'varchar({c}, { length: {n} })', 'type: "varchar", length: {n}', 'DataTypes.STRING({n})', 'string', 'String|r.getString({c})', 'String'),
		('bpchar', 'TextField()', 'sa.Text', ':text', 'String', 'text({c})', 'type: "text"', 'DataTypes.TEXT', 'string', 'String|r.getString({c})', 'String'),
		('bpchar(n)', 'CharField(max_length={n})', 'sa.CHAR({n})', ':string, limit: {n}', 'String|@db.Char({n})', 'char({c}, { length: {n} })', 'type: "char", length: {n}', 'DataTypes.CHAR({n})', 'string', 'String|r.getString({c})', 'String'),
		('citext', 'TextField()', 'sa.Text', ':citext', 'String|@db.Citext', 'text({c})', 'type: "citext"', 'DataTypes.CITEXT', 'string', 'String|r.getString({c})', 'String|ro'),
		('uuid', 'UUIDField()', 'postgresql.UUID(as_uuid=True)', ':uuid', 'String|@db.Uuid', 'uuid({c})', 'type: "uuid"', 'DataTypes.UUID', 'string', 'java.util.UUID|r.getObject({c}, java.util.UUID.class)', 'java.util.UUID'),
		('date', 'DateField()', 'sa.Date', ':date', 'DateTime|@db.Date', 'date({c})', 'type: "date"', 'DataTypes.DATEONLY', 'Date', 'java.time.LocalDate|r.getObject({c}, java.time.LocalDate.class)', 'java.time.LocalDate'),
		('time', 'TimeField()', 'sa.Time', ':time', 'DateTime|@db.Time', 'time({c})', 'type: "time"', 'DataTypes.TIME', 'string', 'java.time.LocalTime|r.getObject({c}, java.time.LocalTime.class)', 'java.time.LocalTime'),
		('timestamp', 'DateTimeField()', 'sa.DateTime', ':datetime', 'DateTime|@db.Timestamp(6)', 'timestamp({c})', 'type: "timestamp"', 'DataTypes.DATE', 'Date', 'java.time.LocalDateTime|r.getObject({c}, java.time.LocalDateTime.class)', 'java.time.LocalDateTime'),
		('timestamptz', 'DateTimeField()', 'sa.DateTime(timezone=True)', ':datetime', 'DateTime|@db.Timestamptz(6)', 'timestamp({c}, { withTimezone: true })', 'type: "timestamptz"', 'DataTypes.DATE', 'Date', 'java.time.OffsetDateTime|r.getObject({c}, java.time.OffsetDateTime.class)', 'java.time.OffsetDateTime'),
		('interval', 'DurationField()', 'sa.Interval', ':interval', 'Unsupported("interval")', 'interval({c})', 'type: "interval"', 'DataTypes.TEXT', 'unknown', 'String|r.getString({c})', 'String|ro'),
		('json', 'JSONField()', 'postgresql.JSON', ':json', 'Json|@db.Json', 'json({c})', 'type: "json"', 'DataTypes.JSON', 'unknown', 'String|r.getString({c})', 'String|ro'),
		('jsonb', 'JSONField()', 'postgresql.JSONB', ':jsonb', 'Json', 'jsonb({c})', 'type: "jsonb"', 'DataTypes.JSONB', 'unknown', 'String|r.getString({c})', 'String|ro'),
		('bytea', 'BinaryField()', 'sa.LargeBinary', ':binary', 'Bytes', 'customType({ dataType: () => "bytea" })({c})', 'type: "bytea"', 'DataTypes.BLOB', 'Buffer', 'byte[]|r.getBytes({c})', 'byte[]'),
		('inet', 'GenericIPAddressField()', 'postgresql.INET', ':inet', 'String|@db.Inet', 'inet({c})', 'type: "inet"', 'DataTypes.INET', 'string', 'String|r.getString({c})', 'String|ro'),
		('enum', 'TextField(choices=[{l}])', 'postgresql.ENUM({l}, name={e}, create_type=False)', ':string', '{e}', 'text({c}, { enum: [{l}] })', 'type: "enum", enum: [{l}]', 'DataTypes.ENUM({l})', '{l}', 'String|r.getString({c})', 'String|ro'),
		('other', 'TextField()', 'sa.Text', ':string', 'Unsupported({t})', 'text({c})', 'type: "text"', 'DataTypes.TEXT', 'string', 'String|r.getString({c})', 'String|ro')
	) AS t (type, django, sqlalchemy, activerecord, prisma, drizzle, typeorm, sequelize, knex, jdbc, jpa)
		CROSS JOIN LATERAL (VALUES ('django', t.django), ('sqlalchemy', t.sqlalchemy), ('activerecord', t.activerecord), ('prisma', t.prisma),
			('drizzle', t.drizzle), ('typeorm', t.typeorm), ('sequelize', t.sequelize), ('knex', t.knex), ('jdbc', t.jdbc), ('jpa', t.jpa)) AS f (framework, written)
$$;
COMMENT ON FUNCTION personalize.orm_types_internal() IS
	'How each framework writes each type; other: one we do not know, read as text';
