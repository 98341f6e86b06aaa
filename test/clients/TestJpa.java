// JPA; what differs between EclipseLink and Hibernate is in Provider.
import jakarta.persistence.*;
import java.sql.SQLException;
import java.util.*;
import java.util.function.Supplier;

public class TestJpa extends Checks
{
	static final String IDS = "SELECT c.customerId FROM Customer c ORDER BY c.customerId";
	static final String UPSERT = "INSERT INTO %s (name, email) VALUES (?1, ?2) ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name RETURNING name";
	static String url;
	static EntityManager em;

	TestJpa() throws Exception
	{
		super(Provider.NAME);
	}

	/** One connection, for reading and writing. */
	static EntityManager connect(String user, String... more)
	{
		Map<String, String> properties = Provider.properties(user + open++);

		properties.put("javax.persistence.jdbc.url", url + "?user=" + user + String.join("", more));
		return Persistence.createEntityManagerFactory("shop", properties).createEntityManager();
	}

	static int open;

	static String state(Throwable e)
	{
		while (e != null && !(e instanceof SQLException))
			e = e.getCause();
		return e == null ? null : ((SQLException) e).getSQLState();
	}

	/** The check must raise this; returns what the server said. */
	static SQLException fails(String state, Supplier<?> work)
	{
		try
		{
			work.get();
		}
		catch (RuntimeException e)
		{
			// find() lets through what EclipseLink throws, which is no PersistenceException
			Throwable cause = e;

			same(state(e), state);
			while (!(cause instanceof SQLException))
				cause = cause.getCause();
			return (SQLException) cause;
		}
		throw new AssertionError("no error " + state);
	}

	static <T> T service(Supplier<T> work)
	{
		return Purpose.of("service", em, work);
	}

	static <T> T marketing(Supplier<T> work)
	{
		return Purpose.of("marketing", em, work);
	}

	static List<Long> ids(EntityManager em)
	{
		return em.createQuery(IDS, Long.class).getResultList();
	}

	static List<?> sql(String query, Object... values)
	{
		Query q = em.createNativeQuery(query);

		for (int i = 0; i < values.length; i++)
			q.setParameter(i + 1, values[i]);
		return q.getResultList();
	}

	static Customer find(long key)
	{
		return em.find(Customer.class, key);
	}

	static Customer change(long key, String name)
	{
		Customer c = find(key);

		c.setName(name);
		return c;
	}

	static Customer make(String name, String email)
	{
		Customer made = new Customer();

		made.setName(name);
		made.setEmail(email);
		return made;
	}

	static <T> T transaction(Supplier<T> work)
	{
		em.getTransaction().begin();
		try
		{
			T result = work.get();
			em.getTransaction().commit();
			return result;
		}
		finally
		{
			if (em.getTransaction().isActive())
				em.getTransaction().rollback();
			em.clear();
		}
	}

	void reading()
	{
		check("purpose", () -> {
			same(marketing(() -> ids(em)), MARKETING);
			same(service(() -> ids(em)), SERVICE);
			fails("42501", () -> ids(em));
			// entities of one purpose are not those of the next
			same(service(() -> find(4)).getEmail(), "mail4@shop.example");
			same(marketing(() -> find(4)).getEmail(), null);
			fails("42501", () -> find(4));
		});
		check("role", () -> {
			same(ids(connect("shop_news")), MARKETING);
			same(ids(connect("shop_app", "&options=-c%20personalize.purpose=marketing")), MARKETING);
		});
		check("view", () -> {
			same(em.createQuery("SELECT c.customerId FROM MarketingCustomer c ORDER BY c.customerId").getResultList(), MARKETING);
			same(em.find(MarketingCustomer.class, 2L).getName(), "Name 2");
			same(em.find(MarketingCustomer.class, 6L), null);
		});
		check("read", () -> service(() -> {
			same(find(7).getName(), "Name 7");
			same(em.createQuery("SELECT c.customerId FROM Customer c WHERE c.email LIKE 'mail1%' ORDER BY c.customerId").getResultList(), List.of(1L, 10L));
			same(em.createQuery("SELECT COUNT(c) FROM Customer c WHERE c.customerId <= 10").getResultList(), List.of(10L));
			same(sql("SELECT c.name || ' ' || CAST(p.price AS integer) FROM shop.customer AS c JOIN shop.purchase AS p USING (customer_id) WHERE c.customer_id = 3"),
				List.of("Name 3 30"));
			return null;
		}));
		check("masked_read", () -> marketing(() -> {
			same(em.createQuery("SELECT c.customerId FROM Customer c WHERE c.email IS NULL ORDER BY c.customerId").getResultList(), KEPT_BACK);
			same(find(4).getEmail(), null);
			return null;
		}));
		check("prepared", () -> {
			for (int i = 0; i < 14; i++)
				for (String name : List.of("marketing", "service"))
					same(Purpose.of(name, em, () -> em.createQuery("SELECT c.customerId FROM Customer c WHERE c.customerId < :most")
						.setParameter("most", 100L).getResultList()).size(),
						name.equals("service") ? 10 : 5);
			transaction(() -> {
				Provider.work(em, c -> {
					try (java.sql.PreparedStatement below = c.prepareStatement("SELECT customer_id FROM shop.customer WHERE customer_id < ?"))
					{
						for (int i = 0; i < 14; i++)
							for (String name : List.of("marketing", "service"))
							{
								int n = 0;

								try (java.sql.PreparedStatement state = c.prepareStatement("SELECT personalize.set_purpose(?)"))
								{
									state.setString(1, name);
									state.execute();
								}
								below.setLong(1, 100);
								for (java.sql.ResultSet r = below.executeQuery(); r.next();)
									n++;
								same(n, name.equals("service") ? 10 : 5);
							}
						same(sql("SELECT generic_plans > 0 AND NOT from_sql FROM pg_prepared_statements WHERE statement LIKE '%customer_id < $1'"), List.of(true));
					}
				});
				return null;
			});
		});
		check("partial", () -> marketing(() -> {
			Iterator<?> parts = Provider.parts(em.createQuery(IDS));
			List<Object> got = new ArrayList<>();

			same(parts.hasNext(), true);
			got.add(parts.next());
			sql("SELECT set_config('personalize.purpose', 'service', true)");
			while (parts.hasNext())
				got.add(parts.next());
			same(got, MARKETING);
			return null;
		}));
	}

	void writing()
	{
		check("create", () -> {
			Customer made = transaction(() -> {
				Customer c = make("New", "new@shop.example");

				em.persist(c);
				em.flush();
				return c;
			});

			same(made.getCustomerId(), 11L);
			same(service(() -> find(11)).getJoined() != null, true);
		});
		check("update", () -> {
			service(() -> {
				find(2).setPhone("555-0");
				return null;
			});
			same(service(() -> find(2)).getPhone(), "555-0");
		});
		check("delete", () -> {
			service(() -> {
				em.remove(find(11));
				return null;
			});
			same(service(() -> find(11)), null);
		});
		check("upsert", () -> service(() -> {
			same(sql(UPSERT.formatted("shop.customer"), "One", "up@shop.example"), List.of("One"));
			same(sql(UPSERT.formatted("shop.customer"), "Two", "up@shop.example"), List.of("Two"));
			same(em.createQuery("DELETE FROM Customer c WHERE c.email = 'up@shop.example'").executeUpdate(), 1);
			return null;
		}));
		check("returning", () -> service(() -> {
			Customer eight = (Customer) em.createNativeQuery("UPDATE shop.customer SET phone = phone WHERE customer_id = 8 RETURNING *", Customer.class).getSingleResult();

			same(eight.getName(), "Name 8");
			return null;
		}));
		check("view_write", () -> {
			Long key = transaction(() -> {
				ServiceCustomer c = new ServiceCustomer();

				c.setName("V");
				c.setEmail("v@shop.example");
				em.persist(c);
				em.flush();
				return c.getCustomerId();
			});

			transaction(() -> {
				em.find(ServiceCustomer.class, key).setPhone("1");
				return null;
			});
			same(transaction(() -> sql(UPSERT.formatted("service.customer"), "W", "v@shop.example")), List.of("W"));
			ServiceCustomer again = em.find(ServiceCustomer.class, key);
			same(List.of(again.getName(), again.getPhone(), again.getJoined() != null), List.of("W", "1", true));
			em.clear();
			transaction(() -> {
				em.remove(em.find(ServiceCustomer.class, key));
				return null;
			});
			same(em.find(ServiceCustomer.class, key), null);
		});
		check("masked_write", () -> {
			fails("42501", () -> marketing(() -> em.createQuery("UPDATE Customer c SET c.name = 'Changed', c.email = :email WHERE c.customerId = 4")
				.setParameter("email", find(4).getEmail()).executeUpdate()));
			same(service(() -> find(4)).getName(), "Name 4");
			same(service(() -> find(4)).getEmail(), "mail4@shop.example");
			marketing(() -> change(4, "Name IV"));
			same(service(() -> find(4)).getName(), "Name IV");
			same(service(() -> find(4)).getEmail(), "mail4@shop.example");
		});
		check("hidden", () -> {
			Customer six = service(() -> find(6));

			same(marketing(() -> find(6)), null);
			same(marketing(() -> em.createQuery("UPDATE Customer c SET c.name = 'x' WHERE c.customerId = 6").executeUpdate()), 0);
			six.setName("x");
			// a row that is not there is a new one to merge(), and its key is taken
			fails("23505", () -> marketing(() -> em.merge(six)));
			same(service(() -> find(6)).getName(), "Name 6");
		});
	}

	void types()
	{
		check("types", () -> {
			transaction(() -> {
				Every row = em.find(Every.class, 1);

				same(List.of(row.getYes(), row.getMood(), row.getBounded().toString(), row.getFixed(), row.getDoc(), row.getOddExitCOne(),
					row.getClassColumn(), row.getTwice()), List.of(false, "so so", "12345.678", "fix", "{\"a\": 1}", "odd", "class", "plainplain"));
				row.setOddExitCOne("changed");
				return null;
			});
			Every made = new Every();
			made.setPlain("new");
			transaction(() -> {
				em.persist(made);
				return null;
			});
			same(em.createQuery("SELECT e.id FROM Every e WHERE e.oddExitCOne = 'changed'").getResultList(), List.of(1));
			same(em.find(Every.class, made.getId()).getTwice(), "newnew");
			same(em.find(Every.class, made.getId()).getClassColumn(), DEFAULT);
			em.clear();
		});
	}

	void pooling()
	{
		check("pool", () -> {
			EntityManager one = connect("shop_app");
			Supplier<Object> backend = () -> one.createNativeQuery("SELECT pg_backend_pid()").getSingleResult();
			Object first = backend.get();

			// EclipseLink throws a connection away after an error, so the next look is at another one
			same(Purpose.of("service", one, () -> ids(one)), SERVICE);
			same(backend.get(), first);
			fails("42501", () -> ids(one));
			first = backend.get();
			try
			{
				Purpose.of("service", one, () -> {
					throw new IllegalStateException();
				});
				throw new AssertionError("no exception");
			}
			catch (IllegalStateException e)
			{
				same(backend.get(), first);
				fails("42501", () -> ids(one));
			}
			fails("22012", () -> Purpose.of("service", one, () -> one.createNativeQuery("SELECT 1 / 0").getSingleResult()));
			fails("42501", () -> ids(one));
		});
		check("pool_session", () -> {
			EntityManager one = connect("shop_app");

			one.getTransaction().begin();
			fails("42501", () -> one.createNativeQuery("SET personalize.purpose = 'service'").executeUpdate());
			one.getTransaction().rollback();
			one.createNativeQuery("SELECT set_config('personalize.purpose', 'service', false)").getSingleResult();
			fails("42501", () -> ids(one));
		});
		check("error", () -> {
			SQLException e = fails("42501", () -> ids(em));

			same(((org.postgresql.util.PSQLException) e).getServerErrorMessage().getHint().startsWith(HINT), true);
			EntityManager idle = connect("shop_idle");
			fails("42501", () -> Purpose.of("service", idle, () -> ids(idle)));
		});
	}

	public static void main(String[] args) throws Exception
	{
		url = args[0];
		em = connect("shop_app");
		TestJpa test = new TestJpa();
		test.reading();
		test.writing();
		test.types();
		test.pooling();
	}
}
